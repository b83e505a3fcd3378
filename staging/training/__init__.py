"""Training of the vision-language stager: both published phases, and the compact model."""
