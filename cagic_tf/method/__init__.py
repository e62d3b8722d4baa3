"""The paper's method: one equation or algorithm a file."""
