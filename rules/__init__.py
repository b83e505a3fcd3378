"""The rulebook as data: rules with their cases, the claim lexicon, detection thresholds."""
