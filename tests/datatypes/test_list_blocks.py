"""The packed blocks of a long list: what they hold, how compactly, and that they behave like a list."""

from __future__ import annotations

from random import Random

import pytest

from twisted_redis.datatypes import sizes
from twisted_redis.datatypes.list_blocks import BLOCK, Blocks

SEPARATORS = [b"\xff", b"\xc1", b"\xf8", b"\xfe\xc0", b"\xf9\xfa", b"\xfb\xf5"]


def numbered(count: int) -> list[bytes]:
    return [b"element:%09d" % number for number in range(count)]


def packed(elements: list[bytes]) -> Blocks:
    made = Blocks()
    made.add_right(elements)
    return made


def forward(blocks: Blocks, element: bytes, stop: int = 1 << 40) -> list[int]:
    return [index for found in blocks.forward(element, 0, stop) for index in found]


def backward(blocks: Blocks, element: bytes, start: int = 0) -> list[int]:
    return [index for found in blocks.backward(element, 0, start) for index in found]


def check(blocks: Blocks, expected: list[bytes]) -> None:
    """Checks that ``blocks`` hold what is expected, and know how much it is."""
    assert list(blocks) == expected
    assert len(blocks) == len(expected)
    assert blocks.between(0, len(expected)) == expected
    assert all(blocks.blocks)
    assert blocks.memory(sizes.USUAL) == pytest.approx(packed_again(blocks), rel=0.01, abs=100)


def packed_again(blocks: Blocks) -> int:
    """The memory of these blocks by what the interpreter says of each object."""
    total = 96 + sizes.of_container(blocks.blocks) + sizes.of_container(blocks._ends)
    for block in blocks.blocks:
        if isinstance(block, list):
            total += sizes.of_container(block) + sum(sizes.of_bytes(len(element)) for element in block)
        else:
            total += sizes.of_bytes(len(block))
    return total


class TestForms:
    @pytest.mark.parametrize("used", range(len(SEPARATORS)))
    def test_another_separator_is_taken_where_elements_contain_one(self, used: int) -> None:
        elements = [*numbered(BLOCK - used), *SEPARATORS[:used]]
        blocks = packed(elements)
        check(blocks, elements)
        (block,) = blocks.blocks
        assert isinstance(block, bytes)
        assert block.startswith(SEPARATORS[used])

    def test_elements_with_all_separators_are_not_joined(self) -> None:
        elements = [*numbered(3), *SEPARATORS, b"", b"x"]
        blocks = packed(elements)
        assert blocks.blocks == [elements]
        check(blocks, elements)
        assert [blocks.get(index) for index in range(len(elements))] == elements
        assert forward(blocks, b"\xfb\xf5") == backward(blocks, b"\xfb\xf5") == [8]
        assert forward(blocks, b"nothing") == []
        blocks.set(8, b"other")
        assert isinstance(blocks.blocks[0], bytes)
        blocks.remove([2], elements[2])
        check(blocks, [*elements[:2], *elements[3:8], b"other", b"", b"x"])

    def test_halves_of_a_separator_at_the_ends_of_elements_do_no_harm(self) -> None:
        hostile = [b"\xff\xc1\xf8", b"\xfe", b"\xc0", b"", b"\xc0\xfe", b"\xfe\xfe", b"\xc0\xc0", b"", b""]
        blocks = packed(hostile * 10)
        assert isinstance(blocks.blocks[0], bytes)
        check(blocks, hostile * 10)

    def test_random_bytes_are_joined(self) -> None:
        random = Random(1)
        elements = [random.randbytes(16) for _ in range(100 * BLOCK)]
        blocks = packed(elements)
        assert sum(isinstance(block, bytes) for block in blocks.blocks) > 95
        check(blocks, elements)

    def test_large_elements_are_not_joined(self) -> None:
        elements = [b"x" * 5000] * BLOCK + numbered(BLOCK)
        blocks = packed(elements)
        assert [type(block) for block in blocks.blocks] == [list, bytes]
        check(blocks, elements)
        blocks.set(BLOCK, b"y" * 100_000)
        assert [type(block) for block in blocks.blocks] == [list, list]

    def test_an_element_takes_little_more_than_its_bytes(self) -> None:
        assert packed(numbered(100 * BLOCK)).memory(sizes.USUAL) < 20 * 100 * BLOCK
        assert packed([b"%d" % number for number in range(100 * BLOCK)]).memory(sizes.USUAL) < 7 * 100 * BLOCK

    def test_blocks_of_a_copy_are_charged_once(self) -> None:
        one = packed(numbered(100 * BLOCK))
        alone = one.memory(sizes.USUAL)
        twin = one.copy()
        assert one.memory(sizes.USUAL) + twin.memory(sizes.USUAL) == pytest.approx(alone, rel=0.02)
        twin.remove([0], b"element:%09d" % 0)
        twin.add_left([b"x"])
        twin.set(5, b"y")
        assert list(one) == numbered(100 * BLOCK)
        assert len(twin) == 100 * BLOCK


class TestSearch:
    def test_what_separates_elements_is_no_part_of_one(self) -> None:
        blocks = packed([b"a", b"b", b"", b"c"])
        for absent in (b"a\xffb", b"\xff", b"\xff\xff", b"b\xff", b"x" * 1000):
            assert forward(blocks, absent) == backward(blocks, absent) == []
        assert forward(blocks, b"") == [2]

    @pytest.mark.parametrize("period", [1, 2, 5, 40, 300])
    def test_matches(self, period: int) -> None:
        elements = [b"x" if number % period == 0 else b"xx" for number in range(1000)]
        blocks = packed(elements)
        expected = list(range(0, 1000, period))
        assert forward(blocks, b"x") == expected
        assert backward(blocks, b"x") == expected[::-1]
        for border in (0, 1, 127, 128, 129, 500, 999, 1000):
            assert forward(blocks, b"x", border) == [index for index in expected if index < border]
            assert backward(blocks, b"x", border) == [index for index in expected[::-1] if index >= border]

    def test_indexes_begin_where_the_caller_says(self) -> None:
        blocks = packed(numbered(300))
        blocks.open_left()
        blocks.add_left([b"x"] * 3)
        assert list(blocks.forward(b"x", 1000, 1002)) == [[1000, 1001]]
        assert list(blocks.backward(b"x", 1000, 1001)) == [[1002, 1001]]
        assert list(blocks.forward(b"x", 1000, 1000)) == list(blocks.forward(b"x", 1000, -5)) == []


class TestChanges:
    def test_removals_leave_no_blocks_with_few_elements(self) -> None:
        elements = [b"x" if number % 10 else b"%d" % number for number in range(100 * BLOCK)]
        blocks = packed(elements)
        blocks.remove([index for index, element in enumerate(elements) if element == b"x"], b"x")
        left = [element for element in elements if element != b"x"]
        check(blocks, left)
        assert len(blocks.blocks) <= 2 * len(left) / BLOCK + 1

    @pytest.mark.parametrize("backwards", [True, False])
    def test_removals_one_by_one_leave_none_either(self, backwards: bool) -> None:
        elements = [b"x" if number % BLOCK else b"%d" % number for number in range(6 * BLOCK)]
        blocks = packed(elements)
        while found := (backward if backwards else forward)(blocks, b"x"):
            blocks.remove([found[0]], b"x")
        check(blocks, [element for element in elements if element != b"x"])
        assert len(blocks.blocks) == 1

    def test_some_of_equal_elements_can_be_removed(self) -> None:
        blocks = packed([b"x", b"y", b"x", b"x", b"z"] * 20)
        blocks.remove([2, 3, 98], b"x")
        expected = [b"x", b"y", b"x", b"x", b"z"] * 20
        for index in (98, 3, 2):
            del expected[index]
        check(blocks, expected)

    def test_large_blocks_are_not_joined_to_even_larger_ones(self) -> None:
        elements = [b"x" * 20_000 if number % BLOCK == 0 else b"-" for number in range(20 * BLOCK)]
        blocks = packed(elements)
        assert all(isinstance(block, bytes) for block in blocks.blocks)
        blocks.remove([index for index, element in enumerate(elements) if element == b"-"], b"-")
        check(blocks, [element for element in elements if element != b"-"])
        assert max(map(len, blocks.blocks)) <= 1 << 15

    def test_a_block_that_grows_is_split(self) -> None:
        blocks = packed(numbered(3 * BLOCK))
        expected = numbered(3 * BLOCK)
        for number in range(3 * BLOCK):
            blocks.insert(200, b"%d" % number)
            expected.insert(200, b"%d" % number)
        check(blocks, expected)
        assert 4 <= len(blocks.blocks) <= 6

    @pytest.mark.parametrize("seed", range(8))
    def test_they_behave_like_a_list(self, seed: int) -> None:
        random = Random(seed)
        blocks, plain = Blocks(), list[bytes]()

        def element() -> bytes:
            if random.random() < 0.2:
                return b"".join(random.choices(SEPARATORS, k=random.choice([1, 1, 6])))
            return random.choice([b"", b"x", b"%d" % random.randrange(300), b"z" * random.randrange(600)])

        for _ in range(250):
            kind = random.random()
            size = len(plain)
            index = random.randrange(size) if size else 0
            if not plain or kind < 0.3:
                some = [element() for _ in range(random.choice([1, BLOCK - 1, BLOCK, BLOCK + 1, 5 * BLOCK]))]
                if random.random() < 0.5:
                    blocks.add_left(some)
                    plain[0:0] = some
                else:
                    blocks.add_right(some)
                    plain += some
            elif kind < 0.35:
                opened = blocks.open_left()
                assert opened == plain[: len(opened)] != []
                del plain[: len(opened)]
            elif kind < 0.4:
                opened = blocks.open_right()
                assert opened == plain[size - len(opened) :] != []
                del plain[size - len(opened) :]
            elif kind < 0.45:
                rest = blocks.drop_left(index)
                assert rest == plain[index : index + len(rest)]
                del plain[: index + len(rest)]
            elif kind < 0.5:
                rest = blocks.drop_right(index)
                assert rest == plain[size - index - len(rest) : size - index]
                del plain[size - index - len(rest) :]
            elif kind < 0.65:
                plain[index] = element()
                blocks.set(index, plain[index])
            elif kind < 0.75:
                new = element()
                blocks.insert(index, new)
                plain.insert(index, new)
            elif kind < 0.9:
                gone = plain[index]
                found = [at for at, text in enumerate(plain) if text == gone]
                assert forward(blocks, gone) == found
                assert backward(blocks, gone) == found[::-1]
                some_of_them = sorted(random.sample(found, random.randint(1, len(found))))
                blocks.remove(some_of_them, gone)
                for at in reversed(some_of_them):
                    del plain[at]
            else:
                stop = random.randint(index, size)
                assert blocks.between(index, stop) == plain[index:stop]
                assert blocks.get(index) == plain[index]
                blocks = blocks.copy()
            check(blocks, plain)
