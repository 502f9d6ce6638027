"""Where an export can go: Lance, Qdrant, Milvus, OpenSearch; each needs its own library, imported when it is used."""
