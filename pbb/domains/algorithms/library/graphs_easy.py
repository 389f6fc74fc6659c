"""Easy programs on graphs: edges as pairs of nodes, or one arrow from each node."""

# ruff: noqa: B007 - loop variables that only count keep a plain name

from random import Random


def _edges(rng: Random, nodes: int, size: int) -> list[list[int]]:
    pairs = [[i, j] for i in range(nodes) for j in range(nodes) if i != j]
    return rng.sample(pairs, size)


def arrows_from(e: list[list[int]], k: int) -> list[int]:
    """Given the edges e of a graph, each a pair of nodes, and a node k, return the list of the
    nodes to which an edge leads from k.

    >>> arrows_from([[0, 1], [2, 1], [0, 3]], 0)
    [1, 3]
    """
    b = []
    for x, y in e:
        if x == k:
            b.append(y)
    return b


def inputs_arrows_from(rng: Random) -> tuple[list[list[int]], int]:
    e = _edges(rng, 8, 2)
    k = rng.choice(e)[0]
    e += [[k, j] for j in rng.sample(range(8), 2) if j != k and [k, j] not in e]
    rng.shuffle(e)
    return e, k


def weight_at(e: list[list[int]], k: int) -> int:
    """Given the edges e of a graph, each two nodes and a weight, and a node k, return the sum of
    the weights of the edges that begin or end at k.

    >>> weight_at([[0, 1, 5], [2, 3, 4], [2, 0, 8]], 0)
    13
    """
    s = 0
    for x, y, w in e:
        if k in (x, y):
            s += w
    return s


def inputs_weight_at(rng: Random) -> tuple[list[list[int]], int]:
    e = [[*pair, rng.randint(1, 20)] for pair in _edges(rng, 4, 3)]
    return e, rng.choice(e)[0]


def walk(a: list[int], i: int, k: int) -> list[int]:
    """Given a list a that says for each node which node comes next, a node i and a number k, return
    the list of the k nodes met when going on from i.

    >>> walk([2, 0, 1], 0, 4)
    [2, 1, 0, 2]
    """
    b = []
    for j in range(k):
        i = a[i]
        b.append(i)
    return b


def inputs_walk(rng: Random) -> tuple[list[int], int, int]:
    n = rng.randint(4, 5)
    a = [rng.choice([j for j in range(n) if j != i]) for i in range(n)]
    return a, rng.randrange(n), 3


def turn_edges(e: list[list[int]]) -> list[list[int]]:
    """Given the edges e of a graph, each a pair of nodes, return the list of the edges turned
    around.

    >>> turn_edges([[0, 1], [2, 1]])
    [[1, 0], [1, 2]]
    """
    b = []
    for x, y in e:
        b.append([y, x])
    return b


def inputs_turn_edges(rng: Random) -> tuple[list[list[int]]]:
    return (_edges(rng, 8, rng.randint(1, 2)),)


def edge_lengths(a: list[int], e: list[list[int]]) -> int:
    """Given the places a of the nodes on a line and the edges e, each a pair of nodes, return how
    long all edges are together.

    >>> edge_lengths([5, 9, 2], [[0, 1], [1, 2]])
    11
    """
    s = 0
    for x, y in e:
        s += abs(a[x] - a[y])
    return s


def inputs_edge_lengths(rng: Random) -> tuple[list[int], list[list[int]]]:
    return rng.sample(range(21), 3), _edges(rng, 3, rng.randint(1, 3))
