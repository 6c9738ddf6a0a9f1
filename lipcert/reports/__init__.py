"""Stored results → pages for people: HTML, Markdown, figures. Runs no model, but for what `api` bounds afresh."""
