"""Few members in a list, found by a tag of each: what ``ShortSet`` and ``ShortRanking`` are made of."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

__all__ = ["MOST", "OFTEN", "TAGS", "Few", "Full"]

MOST: Final = 128
"""The greatest number of members.  With more of them, too many would share a tag."""

TAGS: Final = 251
"""The number of tags.  A prime, because a remainder is quicker than the last bits of a negative number."""


OFTEN: Final = 500
"""The number of questions after which the owner replaces this form by a dict, which is quicker and takes more memory.
The count begins again whenever the collection is looked at to be packed."""


class Full(Exception):
    """There is no room for a new member."""


class Few:
    """Members, which are all different.

    Two sequences have an entry for each: the member and its tag.  The tag is the remainder of the member's hash.  A
    member is found by a search for its tag, which is one quick search of bytes.

    The owner replaces it by a dict after it was ``asked`` about members more than ``OFTEN`` times.
    """

    __slots__ = ("_members", "_tags", "asked")

    def __init__(self, members: Iterable[bytes] = ()) -> None:
        """Takes ``members``, which must be different."""
        self._members: list[bytes] = list(members)
        self._tags = bytearray([hash(member) % TAGS for member in self._members])
        #: How often the owner was asked about a member.  The owner counts.
        self.asked = 0

    def __len__(self) -> int:
        """The number of members."""
        return len(self._tags)

    def __contains__(self, member: object) -> bool:
        # ``_place`` spelled out, for members that are often missing.
        tag = hash(member) % TAGS
        tags = self._tags
        if tag not in tags:
            return False
        members = self._members
        place = tags.find(tag)
        while members[place] != member:
            place = tags.find(tag, place + 1)
            if place < 0:
                return False
        return True

    def _place(self, member: bytes) -> int:
        """Returns the place of ``member``, or -1 if it is missing."""
        tag = hash(member) % TAGS
        tags, members = self._tags, self._members
        place = tags.find(tag)
        while place >= 0 and members[place] != member:
            place = tags.find(tag, place + 1)
        return place
