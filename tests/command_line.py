"""What the tests of the command line share."""

import re

import numpy as np


def error_line(capsys):
    """What follows `fastgd: error: `, which must be all that was printed."""
    printed = capsys.readouterr()
    assert printed.out == ""
    assert re.fullmatch(r"fastgd: error: [^\n]+\n", printed.err), printed.err
    return printed.err.removeprefix("fastgd: error: ").rstrip()


def is_png(path):
    from matplotlib.image import imread

    picture = imread(path)
    return picture.shape[0] > 100 and picture.shape[1] > 100 and np.ptp(picture) > 0.5  # not an empty canvas
