"""Who is a robot: crawlers get the real numbers, so that what they keep of a page is right. By crawlerdetect's list.

A browser that runs without a window says so, and is none that a person sits at.
"""

from __future__ import annotations

from functools import lru_cache

from crawlerdetect import CrawlerDetect

LONGEST_AGENT = 1000
_WINDOWLESS = ("HeadlessChrome", "PhantomJS")
_detector = CrawlerDetect()


@lru_cache(maxsize=4096)
def is_bot(user_agent: str) -> bool:
    """By what it calls itself; one that says nothing, or more than any browser does, is one too."""
    if not user_agent.strip() or len(user_agent) > LONGEST_AGENT:
        return True
    return any(word in user_agent for word in _WINDOWLESS) or _detector.is_crawler(user_agent)
