"""Hard programs on graphs of a few nodes, numbered from 0."""

from random import Random


def _edges(rng: Random, nodes: int, size: int) -> list[list[int]]:
    pairs = [[i, j] for i in range(nodes) for j in range(nodes) if i < j]
    return rng.sample(pairs, size)


def cheapest_ways(n: int, e: list[list[int]], k: int) -> list[int]:
    """Given the number n of nodes and the edges e of a graph, each two nodes and a cost, return for
    each node the least cost of coming there from node k, and 99 if there is no way.

    >>> cheapest_ways(3, [[0, 1, 9], [0, 2, 2], [1, 2, 3]], 0)
    [0, 5, 2]
    """
    d = [99] * n
    d[k] = 0
    q = list(range(n))
    while q:
        x = q[0]
        for y in q:
            if d[y] < d[x]:
                x = y
        q.remove(x)
        for u, v, w in e:
            if u == x:
                d[v] = min(d[v], d[x] + w)
            if v == x:
                d[u] = min(d[u], d[x] + w)
    return d


def inputs_cheapest_ways(rng: Random) -> tuple[int, list[list[int]], int]:
    n = rng.randint(3, 4)
    e = [[*pair, rng.randint(1, 9)] for pair in _edges(rng, n, 3)]
    return n, e, rng.randrange(n)


def arrow_order(n: int, e: list[list[int]]) -> list[int]:
    """Given the number n of nodes and the arrows e of a graph without circles, return the nodes so
    that every arrow leads to a later one; where several may come next, the smallest does.

    >>> arrow_order(3, [[2, 0], [0, 1]])
    [2, 0, 1]
    """
    b: list[int] = []
    while len(b) < n:
        c = [y for x, y in e if x not in b]
        k = 0
        while k in b or k in c:
            k += 1
        b.append(k)
    return b


def inputs_arrow_order(rng: Random) -> tuple[int, list[list[int]]]:
    n = rng.randint(4, 5)
    a = rng.sample(range(n), n)
    return n, [[a[i], a[j]] for i, j in _edges(rng, n, rng.randint(4, 5))]


def part_labels(n: int, e: list[list[int]]) -> list[int]:
    """Given the number n of nodes and the edges e of a graph, return for each node the smallest
    node that can be reached from it.

    >>> part_labels(4, [[3, 1], [0, 2]])
    [0, 1, 0, 1]
    """
    c = list(range(n))
    for x, y in e:
        a = min(c[x], c[y])
        b = max(c[x], c[y])
        for i in range(n):
            if c[i] == b:
                c[i] = a
    return c


def inputs_part_labels(rng: Random) -> tuple[int, list[list[int]]]:
    n = rng.randint(4, 5)
    return n, [rng.sample(pair, 2) for pair in _edges(rng, n, rng.randint(2, 3))]


def spanning_cost(n: int, e: list[list[int]]) -> int:
    """Given the number n of nodes and the edges e of a graph, each a cost and two nodes, return the
    least cost of edges that join all nodes that e joins.

    >>> spanning_cost(3, [[9, 0, 1], [2, 0, 2], [3, 1, 2]])
    5
    """
    c = list(range(n))
    s = 0
    for w, x, y in sorted(e):
        if c[x] != c[y]:
            s += w
            k = c[y]
            for i in range(n):
                if c[i] == k:
                    c[i] = c[x]
    return s


def inputs_spanning_cost(rng: Random) -> tuple[int, list[list[int]]]:
    return 4, [[rng.randint(1, 15), *pair] for pair in _edges(rng, 4, rng.randint(4, 5))]


def shortest_path(g: list[list[int]], a: int, b: int) -> list[int]:
    """Given for each node of a graph the list g of the nodes that an arrow leads to from it, and
    two nodes a and b, return the nodes of the shortest path from a to b, of several such the one
    found first; an empty list if there is none.

    >>> shortest_path([[1], [2], [0]], 0, 2)
    [0, 1, 2]
    """
    q = [[a]]
    s = [a]
    while q:
        p = q.pop(0)
        if p[-1] == b:
            return p
        for y in g[p[-1]]:
            if y not in s:
                s.append(y)
                q.append([*p, y])
    return []


def inputs_shortest_path(rng: Random) -> tuple[list[list[int]], int, int]:
    g = [sorted(rng.sample([j for j in range(5) if j != i], rng.randint(1, 2))) for i in range(5)]
    a, b = rng.sample(range(5), 2)
    return g, a, b


def greedy_colours(n: int, e: list[list[int]]) -> list[int]:
    """Given the number n of nodes and the edges e of a graph, each a node and a later one, give
    each node in turn the smallest colour, counted from 0, that no earlier node with an edge to it
    has, and return the colours.

    >>> greedy_colours(4, [[0, 1], [1, 2], [0, 2], [2, 3]])
    [0, 1, 2, 0]
    """
    c: list[int] = []
    for i in range(n):
        b = [c[j] for j in range(i) if [j, i] in e]
        k = 0
        while k in b:
            k += 1
        c.append(k)
    return c


def inputs_greedy_colours(rng: Random) -> tuple[int, list[list[int]]]:
    n = rng.randint(4, 5)
    return n, _edges(rng, n, rng.randint(4, 6))
