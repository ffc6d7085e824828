"""Numbers from run folders: arms, statistics, intervals, disagreement. Nothing here draws."""
