"""Five functions of a small shop: an example of functions of one's own.

`inputs_<name>` draws one call's arguments. Nothing here is imported: the text is read, and runs in
a limited process.
"""


def shipping(weight, zone):
    """The price of a parcel: weight times zone, plus 4, and 6 more if the weight is over 5."""
    cost = 4 + weight * zone
    if weight > 5:
        cost = cost + 6
    return cost


def inputs_shipping(rng):
    return rng.randrange(1, 12), rng.randrange(1, 4)


def points(total, years):
    """What a customer earns: the total divided by 3, rounded down, plus 2 for each year."""
    earned = total // 3
    loyalty = 2 * years
    return earned + loyalty


def inputs_points(rng):
    return rng.randrange(1, 60), rng.randrange(0, 8)


def locker(number, floor):
    """Where an order is put: 10 times the floor, plus the last digit of its number, or plus 9
    if that digit is 4."""
    place = number % 10
    if place == 4:
        place = 9
    return floor * 10 + place


def inputs_locker(rng):
    return rng.randrange(0, 90), rng.randrange(0, 9)


def refund(price, days):
    """What is paid back, rounded down: all up to 7 days, half up to 30, and then a fifth."""
    if days < 8:
        return price
    if days < 31:
        return price // 2
    return price // 5


def inputs_refund(rng):
    return rng.randrange(10, 99), rng.randrange(0, 50)


def bundle(prices):
    """What several things cost together: the sum of their prices, less the least of them."""
    total = 0
    least = prices[0]
    for price in prices:
        total = total + price
        if price < least:
            least = price
    return total - least


def inputs_bundle(rng):
    return ([rng.randrange(1, 20) for _ in range(rng.randrange(2, 5))],)
