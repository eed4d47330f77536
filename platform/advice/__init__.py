"""Advice on where the advertising budget brings more."""
