"""A question of every kind on a picture of 512 x 384 pixels, and predictions to make of it."""

from foveate.evals.contract.answers import Claim, Prediction
from foveate.evals.contract.questions import Question, Region, Target
from foveate.tools.imaging.frames import Affine2D, Frame

WIDTH, HEIGHT = 512, 384
TRUE_BOX = (100.0, 120.0, 180.0, 200.0)
TRUE = Target(answer="B", regions=(Region(TRUE_BOX),))
NOTHING = Target(regions=())
VIEW = Frame("V0", WIDTH, HEIGHT, Affine2D.identity(), "a" * 64, "image", 0, (WIDTH, HEIGHT))


def question(kind="boxes", options=("Effusion", "Mass", "Normal")):
    return Question("q1", (), "Where is the mass?", kind, "patient", options)


def boxed(*boxes, text="There is a mass.", **more):
    regions = tuple(b if isinstance(b, Region) else Region(tuple(map(float, b))) for b in boxes)
    return Prediction(
        text, claims=(Claim(text, True, True, tuple(range(len(regions)))),), regions=regions, **more
    )


def said(text, **more):
    return Prediction(text, **more)


def grid(step=64):
    """Boxes that tile the picture."""
    return [(x, y, x + step, y + step) for x in range(0, WIDTH, step) for y in range(0, HEIGHT, step)]
