"""The graph as LangGraph Studio opens it: image paths and a question in, the whole state out.

`langgraph.json` names `graph`. The model and the grounder come from FOVEATE_MODEL, FOVEATE_BASE_URL and
FOVEATE_GROUNDER. A tool for developers on their own machine: paths are opened as they are given.
"""

from __future__ import annotations

import os

from foveate.agent.budget import Budget
from foveate.agent.graph import Graph, build_graph
from foveate.agent.models.factory import chat_model
from foveate.agent.models.profiles import profile_for
from foveate.agent.opening import Opener
from foveate.agent.run import grounder_for
from foveate.agent.state import AgentState
from foveate.tools.imaging.store import ImageStore


def graph() -> Graph:
    """The compiled graph with a node before it that opens the images in `paths`, none in a follow-up."""
    spec = os.environ.get("FOVEATE_MODEL", "pocket")
    opener = Opener(ImageStore(), profile_for(spec))

    def opened(state: AgentState) -> AgentState:
        return AgentState(**opener.open(state.get("paths", []), state["question"], state), paths=[])

    return build_graph(
        chat_model(spec, os.environ.get("FOVEATE_BASE_URL")),
        opener.store,
        grounder_for(os.environ.get("FOVEATE_GROUNDER", "pocket")),
        opener.profile,
        Budget(),
        opener=opened,
    )
