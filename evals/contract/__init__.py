"""What a benchmark task gives to the runner and what it is given back, a module for each part.

`images`: an image of a question, opened when its turn comes. `questions`: question, target, region, the
loaded set. `answers`: prediction and reading. `tasks`: the task itself, its metrics and published numbers.
`problems`: what a loader says of a file that it cannot use. So neither the agent nor the reading of its reply
can see a ground truth: only `tasks` knows both sides.
"""
