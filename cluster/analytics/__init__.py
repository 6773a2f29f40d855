"""Statistics of series: anomalies, trends, forecasts, profiles and capacity. Arrays in, findings out."""
