"""The script that shows visitors their numbers: its source (swap.js), and every release of it beside.

A release never changes: pages name it with the hash of its content, and go on working when a newer one is there.
`tools/build-swap` makes one from the source; `platform/api/scripts.py` hands them out.
"""
