"""What an arm would gain over the default on people's queries: a posterior from synthetic and judged queries."""
