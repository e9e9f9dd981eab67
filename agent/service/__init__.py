"""The HTTP service: sessions, uploads, questions, streams. `foveate serve` starts it; `app.create_app` makes
it. Everything heavy is imported by the modules that need it."""
