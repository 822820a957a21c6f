"""What a LangChain user would write: a folder in, its chunks in Chroma out, indexed again cheaply.

    python with_langchain.py FOLDER BASE_URL WORK_FOLDER

Needs an environment of its own: langchain, langchain-community, langchain-openai,
langchain-chroma, pypdf[crypto], docx2txt, beautifulsoup4, lxml.  Prints one line of JSON.
"""

import json
import resource
import sys
import time
from pathlib import Path

started = time.perf_counter()

from langchain_chroma import Chroma
from langchain_classic.indexes import SQLRecordManager, index
from langchain_community.document_loaders import (
    BSHTMLLoader,
    Docx2txtLoader,
    PyPDFLoader,
    TextLoader,
)
from langchain_openai import OpenAIEmbeddings
from langchain_text_splitters import RecursiveCharacterTextSplitter

LOADERS = {".pdf": PyPDFLoader, ".docx": Docx2txtLoader, ".html": BSHTMLLoader}


def load(folder):
    """Yield the documents of every file that a loader can read."""
    for path in sorted(p for p in Path(folder).rglob("*") if p.is_file()):
        loader = LOADERS.get(path.suffix)
        try:
            yield from (
                loader(str(path)) if loader else TextLoader(str(path), encoding="utf-8")
            ).load()
        except Exception as error:
            print(f"{path.name}: {error}"[:200], file=sys.stderr)


def run(folder, base_url, work):
    """Bring the vector store in line with the folder."""
    embeddings = OpenAIEmbeddings(
        model="text-embedding-stub",
        base_url=base_url,
        api_key="x",
        check_embedding_ctx_length=False,
    )
    store = Chroma("chunks", embeddings, persist_directory=f"{work}/chroma")
    records = SQLRecordManager("chunks", db_url=f"sqlite:///{work}/records.sqlite")
    records.create_schema()
    splitter = RecursiveCharacterTextSplitter(chunk_size=1000, chunk_overlap=0)
    chunks = splitter.split_documents(list(load(folder)))
    index(chunks, records, store, cleanup="full", source_id_key="source", key_encoder="sha256")
    return len(chunks)


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
