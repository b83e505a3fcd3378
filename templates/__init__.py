"""Jinja2 templates as data: prompts, pages, reports."""
