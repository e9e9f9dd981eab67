"""Several images and volumes: registration, differences, matching, tracking. Knows no agent and no model."""
