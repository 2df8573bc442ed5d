"""t-digests, which estimate quantiles: centroids with a mean and a weight each, the smaller the nearer to the ends.

New observations are kept as they are until there is no room for more.  Then all are sorted and merged.  The order of
every step, also of equal means, is that of Redis' module.  So both come to the same numbers, bit for bit.
"""

from __future__ import annotations

import sys
from array import array
from itertools import pairwise
from math import ceil, copysign, floor, inf, isfinite, isnan, log, nan, pi
from operator import itemgetter
from typing import Final

from twisted_redis.modules.probabilistic.bloom import LARGEST

__all__ = ["MOST_WEIGHT", "Digest", "capacity_of", "divided", "rounded", "whole"]

MOST_WEIGHT: Final = (1 << 63) - 1
_LARGEST_NUMBER: Final = sys.float_info.max

_mean = itemgetter(0)

Node = tuple[float, int]


def capacity_of(compression: int) -> int:
    """The most centroids and observations of a digest.  Raises MemoryError for a digest that is too large."""
    capacity = 6 * compression + 10
    if capacity * 16 > LARGEST:
        raise MemoryError
    return capacity


def divided(number: float, divisor: float) -> float:
    """The quotient, where Python would raise ZeroDivisionError an infinite one or none."""
    if divisor:
        return number / divisor
    if not number or isnan(number):
        return nan
    return copysign(inf, number) * copysign(1.0, divisor)


def rounded(number: float, *, down: bool = False) -> float:
    """The nearest whole number.  A half is rounded up, or ``down``; what is not finite stays as it is."""
    if not isfinite(number):
        return number
    below = float(int(number))
    rest = abs(number - below)
    if rest < 0.5 or (down and rest == 0.5):
        return below
    # Redis' module takes the sign of the number in the one case and that of the whole number in the other.
    return below + (1 if (below if down else number) >= 0 else -1)


def whole(number: float) -> int:
    """A whole number as an integer of 64 bits; as on most machines the least one for all that have none."""
    return int(number) if abs(number) < 1 << 63 else -(1 << 63)


def _in_order(nodes: list[Node]) -> list[Node]:
    """Sorts nodes by their means.  Equal means are in the order that the quicksort of Redis' module leaves behind."""
    in_order = sorted(nodes, key=_mean)
    for one, other in pairwise(in_order):
        if one[0] < other[0]:
            continue
        if one[1] != other[1] or isnan(one[0]) or isnan(other[0]) or not one[0]:
            return _quicksort(nodes, any(isnan(node[0]) for node in nodes))
    return in_order


def _quicksort(nodes: list[Node], has_nan: bool) -> list[Node]:
    """Sorts with the node in the middle as the pivot, in the steps of Redis' module.

    The steps around a pivot with the least mean are taken without a look at the other nodes.  So many equal means do
    not take quadratic time.
    """
    ranges = [(0, len(nodes) - 1)]
    while ranges:
        start, end = ranges.pop()
        least = nan
        while end - start > 1:
            middle = (start + end) // 2
            pivot = nodes[middle]
            nodes[middle], nodes[end] = nodes[end], pivot
            if pivot[0] == least:
                nodes[start], nodes[end] = nodes[end], nodes[start]
                start += 1
                continue
            place = start
            for at in range(start, end):
                if nodes[at][0] < pivot[0]:
                    nodes[place], nodes[at] = nodes[at], nodes[place]
                    place += 1
            nodes[place], nodes[end] = nodes[end], nodes[place]
            if place > start:
                ranges.append((start, place - 1))
            start = place + 1
            if not has_nan and start < end:
                least = min(nodes[start : end + 1], key=_mean)[0]
        if end - start == 1 and nodes[start][0] > nodes[end][0]:
            nodes[start], nodes[end] = nodes[end], nodes[start]
    return nodes


class Digest:
    """A t-digest.  The first ``merged`` of its nodes are centroids, the others are observations."""

    __slots__ = (
        "capacity",
        "compression",
        "compressions",
        "least",
        "means",
        "merged",
        "merged_weight",
        "most",
        "unmerged_weight",
        "weights",
    )

    def __init__(self, compression: int) -> None:
        self.compression = compression
        self.capacity = capacity_of(compression)
        self.reset()

    def reset(self) -> None:
        """Removes all observations."""
        self.least = _LARGEST_NUMBER
        self.most = -_LARGEST_NUMBER
        self.means = array("d")
        self.weights = array("q")
        self.merged = 0
        self.merged_weight = 0
        self.unmerged_weight = 0
        self.compressions = 0

    @property
    def unmerged(self) -> int:
        """The observations that were not merged yet, whatever their weight."""
        return len(self.means) - self.merged

    @property
    def observations(self) -> int:
        """The weight of everything."""
        return self.merged_weight + self.unmerged_weight

    def add(self, mean: float, weight: int) -> bool:
        """Adds a finite observation of this weight; returns False if the weight of all would have more than 63 bits."""
        if len(self.means) >= self.capacity - 1:
            self.compress()
        if len(self.means) >= self.capacity or self.observations + weight > MOST_WEIGHT:
            return False
        self.least = min(self.least, mean)
        self.most = max(self.most, mean)
        self.means.append(mean)
        self.weights.append(weight)
        self.unmerged_weight += weight
        return True

    def merge(self, other: Digest) -> bool:
        """Adds all centroids of another digest, which is compressed for that; returns False as ``add`` does."""
        self.compress()
        other.compress()
        return all(self.add(mean, weight) for mean, weight in zip(other.means, other.weights, strict=True))

    def compress(self) -> None:
        """Merges the observations into the centroids.  A single observation stays what it is."""
        if not self.unmerged:
            return
        nodes = _in_order(list(zip(self.means, self.weights, strict=True)))
        total = float(self.merged_weight) + float(self.unmerged_weight)
        if total > 1:
            nodes = self._merged_nodes(nodes, total)
            self.merged = len(nodes)
            self.merged_weight = min(int(total), MOST_WEIGHT)
            self.unmerged_weight = 0
            self.compressions += 1
        self.means = array("d", [mean for mean, _ in nodes])
        self.weights = array("q", [weight for _, weight in nodes])

    def _merged_nodes(self, nodes: list[Node], total: float) -> list[Node]:
        """The centroids of sorted nodes.  As many neighbours form one as its place in the distribution allows."""
        normalizer = self.compression / (2 * pi * total * log(total))
        merged: list[Node] = []
        mean, weight = nodes[0]
        before = 0.0
        for next_mean, next_weight in nodes[1:]:
            proposed = float(weight) + float(next_weight)
            size = proposed * normalizer
            begin = before / total
            end = (before + proposed) / total
            if size <= begin * (1 - begin) and size <= end * (1 - end):
                weight += next_weight
                mean += (next_mean - mean) * next_weight / weight
            else:
                merged.append((mean, weight))
                before += weight
                mean, weight = next_mean, next_weight
        merged.append((mean, weight))
        return merged

    # asking

    def cdf(self, value: float) -> float:
        """The share of the observations that are not above ``value``; nan without any."""
        self.compress()
        means, weights = self.means, self.weights
        length, total = self.merged, float(self.merged_weight)
        if not length:
            return nan
        if value < self.least:
            return 0.0
        if value > self.most:
            return 1.0
        if length == 1:
            width = self.most - self.least
            return 0.5 if value - self.least <= width else divided(value - self.least, width)
        if value < means[0]:
            width = means[0] - self.least
            if not width > 0:
                return 0.0
            if value == self.least:
                return 0.5 / total
            return (1 + (value - self.least) / width * (weights[0] / 2 - 1)) / total
        if value > means[-1]:
            width = self.most - means[-1]
            if not width > 0:
                return 1.0
            if value == self.most:
                return 1 - 0.5 / total
            return 1 - (1 + (self.most - value) / width * (weights[-1] / 2 - 1)) / total
        return self._cdf_between(value, total)

    def _cdf_between(self, value: float, total: float) -> float:
        """``cdf`` of a value between the first and the last centroid."""
        means, weights = self.means, self.weights
        before = 0.0
        for at in range(len(means) - 1):
            mean, weight = means[at], float(weights[at])
            if mean == value:
                # All centroids there count as one.
                there = 0.0
                while at < len(means) and means[at] == value:
                    there += weights[at]
                    at += 1
                return (before + there / 2) / total
            following = means[at + 1]
            if mean <= value < following:
                next_weight = float(weights[at + 1])
                between = (weight + next_weight) / 2
                if not following - mean > 0:
                    return (before + between) / total
                # The whole weight of a single observation is where it is, so nothing of it lies between.
                left = right = 0.0
                if weight == 1:
                    if next_weight == 1:
                        return (before + 1) / total
                    left = 0.5
                elif next_weight == 1:
                    right = 0.5
                base = before + weight / 2 + left
                return (base + (between - left - right) * (value - mean) / (following - mean)) / total
            before += weight
        return 1 - 0.5 / total

    def quantile(self, share: float) -> float:
        """The value below which this share of the observations is; nan without any."""
        self.compress()
        if not self.merged:
            return nan
        if self.merged == 1:
            return self.means[0]
        index = share * float(self.merged_weight)
        return self.least if index < 1 else self._walk(index, self.weights[0] / 2, 0)[0]

    def quantiles(self, shares: list[float]) -> list[float]:
        """The values for shares, of which each ascending run is found in one walk."""
        self.compress()
        if self.merged < 2:
            return [self.means[0] if self.merged else nan for _ in shares]
        found: list[float] = []
        total = float(self.merged_weight)
        for number, share in enumerate(shares):
            if not number or share < shares[number - 1]:
                before, at = self.weights[0] / 2, 0
            value, before, at = self._walk(share * total, before, at)
            found.append(value)
        return found

    def _walk(self, index: float, before: float, at: int) -> tuple[float, float, int]:
        """The value at ``index`` of all observations in order, and where the walk over the centroids has ended.

        ``before`` is the weight up to the middle of the centroid ``at``.
        """
        means, weights = self.means, self.weights
        first = float(weights[0])
        if first > 1 and index < first / 2:
            # There is one observation at the minimum.
            return self.least + divided(index - 1, first / 2 - 1) * (means[0] - self.least), before, at
        if index > self.merged_weight - 1:
            return self.most, before, at
        last = float(weights[-1])
        total = float(self.merged_weight)
        if last > 1 and total - index <= last / 2:
            return self.most - divided(total - index - 1, last / 2 - 1) * (self.most - means[-1]), before, at
        while at < len(means) - 1:
            weight, next_weight = float(weights[at]), float(weights[at + 1])
            between = (weight + next_weight) / 2
            if before + between > index:
                left = right = 0.0
                if weight == 1:
                    if index - before < 0.5:
                        return means[at], before, at
                    left = 0.5
                if next_weight == 1:
                    if before + between - index <= 0.5:
                        return means[at + 1], before, at
                    right = 0.5
                to_left = index - before - left
                to_right = before + between - index - right
                return _average(means[at], to_right, means[at + 1], to_left), before, at
            before += between
            at += 1
        to_left = index - self.merged_weight - last / 2
        return _average(means[-1], to_left, self.most, last / 2 - to_left), before, at

    def trimmed_mean(self, low: float, high: float) -> float:
        """The mean of the observations between two shares; nan without any."""
        self.compress()
        if not self.merged:
            return nan
        if self.merged == 1:
            return self.means[0]
        leftmost = float(floor(float(self.merged_weight) * low))
        rightmost = float(ceil(float(self.merged_weight) * high))
        done = total = count = 0.0
        for mean, weight in zip(self.means, self.weights, strict=True):
            part = float(weight)
            skipped = leftmost - done
            part -= min(max(skipped, 0.0), part)
            left = rightmost - done
            part = min(max(left, 0.0), part)
            done += weight
            total += mean * part
            count += part
            if done >= rightmost:
                break
        return divided(total, count)


def _average(one: float, one_weight: float, other: float, other_weight: float) -> float:
    """The weighted average, which is never outside of both."""
    if not one <= other:
        one, one_weight, other, other_weight = other, other_weight, one, one_weight
    average = divided(one * one_weight + other * other_weight, one_weight + other_weight)
    least = average if average < other else other
    return one if one > least else least
