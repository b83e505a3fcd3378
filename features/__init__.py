"""Specifications in Gherkin, for readers without Python; shipped for the rulebook as a book."""
