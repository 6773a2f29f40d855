"""What every request passes on its way in: its id, its limits, who asks, and whether they may."""
