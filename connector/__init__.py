"""The connector: the plugin itself, which wires the EHR, the stagers and the auditor."""
