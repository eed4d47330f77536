"""The script's releases: small, whole, and never changed."""

import gzip
from pathlib import Path

import rjsmin

from dialtrace.api.scripts import newest, releases

SOURCE = Path(__file__).parents[3] / "browser" / "swap.js"
MOST_BYTES = 4000


def test_given_the_newest_release_then_it_has_less_than_4_kb_gzipped():
    size = len(newest().gzipped)
    print(f"swap.js {newest().version}: {len(newest().content)} bytes, {size} gzipped")
    assert size < MOST_BYTES
    assert gzip.decompress(newest().gzipped) == newest().content


def test_given_the_source_then_the_newest_release_was_made_of_it():
    made = rjsmin.jsmin(SOURCE.read_text(encoding="utf-8"), keep_bang_comments=True).encode()
    assert made == newest().content, "run tools/build-swap; raise the version in browser/swap.js if it is out"
    assert made.startswith(f"/*! Dialtrace swap.js {newest().version}, ".encode())


#: What pages name by its hash: a line for each release, for ever.
OUT = {
    "1.0.0": "sha384-5TUYM0hoiYoPP1ZpQXjcYhh2QwKSMIVPHTTrsd/6EaP58nxjoZ71oiTNtvFLYmxq",
    "1.1.0": "sha384-PzOXuuHsFUWtaWO/0dEzHay0jV8cuuuzIg+dpqAfMQoEp3FRn3fjcIgA5KRnLiwJ",
    "1.1.1": "sha384-1UrChqWmsH737K5h99DFZSoANikVroOpu+UDRGfXSfWAJrQeb22UzjHB0RvWkGqy",
    "1.2.0": "sha384-N4CMBcH8akA8Q7cI0a1nlWZZvzzHg9FTpGdFN+fcEUoKyXaAQthvo4Iunyyj6628",
}


def test_given_the_releases_then_each_that_is_out_is_there_unchanged():
    assert {one.version: one.integrity for one in releases().values()} == OUT
