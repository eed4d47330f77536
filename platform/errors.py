"""The root of every error that Dialtrace raises on purpose.

Each room has one base class below this one and named cases below that; a case's docstring is its message
(STYLE 6). Knows nothing of any room.
"""


class DialtraceError(Exception):
    """Something that Dialtrace foresaw went wrong."""

    def __str__(self) -> str:
        return super().__str__() or (self.__doc__ or type(self).__name__).strip().splitlines()[0]
