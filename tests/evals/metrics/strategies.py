"""Boxes on a coarse grid, so that overlaps, equals and containment all come up."""

from hypothesis import strategies as st


@st.composite
def boxes(draw, dimensions=2, side=12):
    low = [draw(st.integers(0, side - 1)) for _ in range(dimensions)]
    high = [draw(st.integers(v + 1, side)) for v in low]
    return tuple(float(v) for v in [*low, *high])


def box_lists(most=4, least=0):
    return st.lists(boxes(), min_size=least, max_size=most)


SCORES = st.sampled_from([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9])
