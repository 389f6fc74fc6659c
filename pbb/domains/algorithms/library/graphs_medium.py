"""Programs of medium difficulty on graphs of a few nodes, numbered from 0."""

from random import Random


def _edges(rng: Random, nodes: int, size: int) -> list[list[int]]:
    pairs = [[i, j] for i in range(nodes) for j in range(nodes) if i < j]
    return [rng.sample(pair, 2) for pair in rng.sample(pairs, size)]


def _neighbours(rng: Random) -> list[list[int]]:
    g: list[list[int]] = [[] for _ in range(5)]
    for x, y in _edges(rng, 5, 5):
        g[x].append(y)
        g[y].append(x)
    return g


def degrees(n: int, e: list[list[int]]) -> list[int]:
    """Given the number n of nodes and the edges e of a graph, return for each node how many edges
    begin or end there.

    >>> degrees(3, [[0, 1], [2, 1]])
    [1, 2, 1]
    """
    d = [0] * n
    for x, y in e:
        d[x] += 1
        d[y] += 1
    return d


def inputs_degrees(rng: Random) -> tuple[int, list[list[int]]]:
    n = rng.randint(4, 5)
    return n, _edges(rng, n, rng.randint(3, 5))


def neighbour_lists(n: int, e: list[list[int]]) -> list[list[int]]:
    """Given the number n of nodes and the edges e of a graph, return for each node the list of the
    nodes that share an edge with it, in the order of the edges.

    >>> neighbour_lists(3, [[0, 1], [2, 1]])
    [[1], [0, 2], [1]]
    """
    g: list[list[int]] = [[] for i in range(n)]
    for x, y in e:
        g[x].append(y)
        g[y].append(x)
    return g


def inputs_neighbour_lists(rng: Random) -> tuple[int, list[list[int]]]:
    return 4, _edges(rng, 4, rng.randint(2, 4))


def visit_order(g: list[list[int]], k: int) -> list[int]:
    """Given for each node of a graph the list g of its neighbours, return the nodes in the order in
    which a search from node k meets them, nearest first.

    >>> visit_order([[2, 1], [0], [0]], 0)
    [0, 2, 1]
    """
    b = [k]
    i = 0
    while i < len(b):
        for y in g[b[i]]:
            if y not in b:
                b.append(y)
        i += 1
    return b


def inputs_visit_order(rng: Random) -> tuple[list[list[int]], int]:
    return _neighbours(rng), rng.randrange(5)


def steps_from(g: list[list[int]], k: int) -> list[int]:
    """Given for each node of a graph the list g of the nodes that an arrow leads to from it, return
    for each node how many arrows it takes to come there from node k, and -1 if there is no way.

    >>> steps_from([[1], [2], [0]], 1)
    [2, 0, 1]
    """
    d = [-1] * len(g)
    d[k] = 0
    b = [k]
    while b:
        x = b.pop(0)
        for y in g[x]:
            if d[y] < 0:
                d[y] = d[x] + 1
                b.append(y)
    return d


def inputs_steps_from(rng: Random) -> tuple[list[list[int]], int]:
    g = [sorted(rng.sample([j for j in range(5) if j != i], rng.randint(1, 2))) for i in range(5)]
    return g, rng.randrange(5)


def deep_order(g: list[list[int]], k: int) -> list[int]:
    """Given for each node of a graph the list g of its neighbours, return the nodes in the order in
    which a search from node k meets them that goes on from the newest node as long as it can.

    >>> deep_order([[1, 2], [0, 3], [0], [1]], 0)
    [0, 1, 3, 2]
    """
    b: list[int] = []

    def f(x: int) -> None:
        b.append(x)
        for y in g[x]:
            if y not in b:
                f(y)

    f(k)
    return b


def inputs_deep_order(rng: Random) -> tuple[list[list[int]], int]:
    return _neighbours(rng), rng.randrange(5)
