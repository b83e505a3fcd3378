"""The physician's desk: a night opened for review, decided epoch by epoch, and signed."""
