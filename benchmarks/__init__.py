"""The workloads by which dreamos-tasks is measured, beside the limits of the machine and its peers."""
