"""The auditor's shelf: the rulebook with all it found, each epoch's history, and agreement."""
