"""What a LlamaIndex user would write: a folder in, its chunks in Chroma out, indexed again cheaply.

    python with_llamaindex.py FOLDER BASE_URL WORK_FOLDER

Needs an environment of its own: llama-index-core, llama-index-readers-file,
llama-index-embeddings-openai-like, llama-index-vector-stores-chroma, docx2txt.  Prints one line
of JSON.
"""

import json
import resource
import sys
import time
from pathlib import Path

started = time.perf_counter()

import chromadb
from llama_index.core import SimpleDirectoryReader
from llama_index.core.ingestion import DocstoreStrategy, IngestionPipeline
from llama_index.core.node_parser import SentenceSplitter
from llama_index.core.storage.docstore import SimpleDocumentStore
from llama_index.embeddings.openai_like import OpenAILikeEmbedding
from llama_index.vector_stores.chroma import ChromaVectorStore


def run(folder, base_url, work):
    """Bring the vector store in line with the folder."""
    collection = chromadb.PersistentClient(f"{work}/chroma").get_or_create_collection("chunks")
    kept = Path(work, "pipeline", "docstore.json")
    pipeline = IngestionPipeline(
        transformations=[
            SentenceSplitter(chunk_size=256, chunk_overlap=0),
            OpenAILikeEmbedding(model_name="text-embedding-stub", api_base=base_url, api_key="x"),
        ],
        docstore=SimpleDocumentStore.from_persist_path(str(kept))
        if kept.exists()
        else SimpleDocumentStore(),
        docstore_strategy=DocstoreStrategy.UPSERTS_AND_DELETE,
        vector_store=ChromaVectorStore(chroma_collection=collection),
    )
    documents = SimpleDirectoryReader(folder, recursive=True, filename_as_id=True).load_data()
    if kept.exists():
        pipeline.load(f"{work}/pipeline")
    pipeline.run(documents=documents)
    pipeline.persist(f"{work}/pipeline")
    return collection.count()


if __name__ == "__main__":
    folder, base_url, work = sys.argv[1:]
    Path(work).mkdir(parents=True, exist_ok=True)
    chunks = run(folder, base_url, work)
    print(
        json.dumps(
            {
                "chunks": chunks,
                "seconds": time.perf_counter() - started,
                "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            }
        )
    )
