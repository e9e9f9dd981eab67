"""May two images be set against each other: are they of one patient, of one modality, of one kind?

An image keeps of its patient's identifier only a digest under a key that lives and dies with the process
(`SourceImage.patient`), and nothing where the file has none or the image came out of a stored form; then it
is told that nobody can know. No identifier is ever shown.
"""

from __future__ import annotations

from foveate.tools.context import ToolError
from foveate.tools.imaging.image import SourceImage


def check_pair(first: SourceImage, second: SourceImage, *, across: bool = False) -> bool | None:
    """Whether both files name one patient; None where that cannot be known. `across` allows two modalities.

    Raises ToolError for different patients, for different modalities, and for a colour and a grey image.
    """
    same = None if None in (first.patient, second.patient) else first.patient == second.patient
    if same is False:
        raise ToolError("the two images are of different patients and are not compared")
    if first.color != second.color:
        raise ToolError("one image is in colour and the other is not; they show different things")
    kinds = {first.modality, second.modality} - {None}
    if len(kinds) > 1 and not across:
        told = " and ".join(sorted(map(str, kinds)))
        raise ToolError(f"the two images are of different modalities ({told}); transfer carries a box over")
    return same
