"""From a prediction to an outcome and a score, the prediction being read before any ground truth is at hand.

`answer` makes a prediction of the agent's answer; `reading` and `plain` read predictions and plain replies in
the declared convention; `boxes` and `words` score a reading against a target; `kinds` does all of it by the
kind of question; `blind` keeps the order and counts outcomes. Metrics are in `foveate.evals.metrics`.
"""
