"""Knowledge bases on disk: generations, the keyword index, the vector index, the embedder."""
