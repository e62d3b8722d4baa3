"""The paper's three studies with people: tasks for Label Studio, and its exports read back."""
