"""pocket-vlm: a small Qwen2.5-VL that looks, calls tools, reads their results and answers.

Made by `python -m foveate.pocket.vlm.trajectories` (imitation data from the real agent and the real tools),
then `python -m foveate.pocket.vlm.vision` (dense supervision of the vision tower), then
`python -m foveate.pocket.vlm.train`. Nothing imports this package at run time: the weights are loaded by
path.
"""
