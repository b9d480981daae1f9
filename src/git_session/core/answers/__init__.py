"""What users hold: frozen pydantic models of sessions, tasks, transitions and reports."""
