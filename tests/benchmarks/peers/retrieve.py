"""Another framework over a Chroma folder that is there: milliseconds per question.

    python retrieve.py LangChain|LlamaIndex CHROMA_FOLDER K BASE_URL < questions and vectors as JSON

Vectors are given, so that no time goes into embedding.  The chat server at BASE_URL tells in the
name of its model when the prompt came.  Prints as JSON a list of pairs: until the passages were
found, and until the prompt came.
"""

import json
import sys
import time

import chromadb

PROMPT = "Answer from the passages only and cite them.\n\n{context}\n\nQuestion: {question}"


def langchain(folder, vectors, k, url):
    from langchain_chroma import Chroma
    from langchain_core.embeddings import Embeddings
    from langchain_core.prompts import ChatPromptTemplate
    from langchain_openai import ChatOpenAI

    class Given(Embeddings):
        def embed_documents(self, texts):
            return [vectors[text] for text in texts]

        def embed_query(self, text):
            return vectors[text]

    client = chromadb.PersistentClient(folder)
    store = Chroma("chunks", Given(), client=client, create_collection_if_not_exists=False)
    retriever = store.as_retriever(search_kwargs={"k": k})
    chain = ChatPromptTemplate.from_template(PROMPT) | ChatOpenAI(
        model="stub", base_url=url, api_key="x"
    )

    def ask(question, found):
        context = "\n\n".join(document.page_content for document in found)
        pieces = chain.stream({"context": context, "question": question})
        told = [piece.response_metadata.get("model_name") for piece in pieces]
        return max(float(name) for name in told if name)

    return retriever.invoke, ask


def llamaindex(folder, vectors, k, url):
    from llama_index.core import VectorStoreIndex
    from llama_index.core.embeddings import BaseEmbedding
    from llama_index.core.llms import ChatMessage
    from llama_index.llms.openai_like import OpenAILike
    from llama_index.vector_stores.chroma import ChromaVectorStore

    class Given(BaseEmbedding):
        def _get_text_embedding(self, text):
            return vectors[text]

        def _get_query_embedding(self, query):
            return vectors[query]

        async def _aget_query_embedding(self, query):
            return vectors[query]

    collection = chromadb.PersistentClient(folder).get_collection("chunks", embedding_function=None)
    store = ChromaVectorStore(chroma_collection=collection)
    index = VectorStoreIndex.from_vector_store(store, embed_model=Given())
    model = OpenAILike(model="stub", api_base=url, api_key="x", is_chat_model=True)

    def ask(question, found):
        context = "\n\n".join(node.get_content() for node in found)
        message = ChatMessage(content=PROMPT.format(context=context, question=question))
        return max(float(piece.raw.model) for piece in model.stream_chat([message]))

    return index.as_retriever(similarity_top_k=k).retrieve, ask


def main():
    kind, folder, k, url = sys.argv[1:]
    given = json.load(sys.stdin)
    vectors = dict(zip(given["questions"], given["vectors"], strict=True))
    make = {"LangChain": langchain, "LlamaIndex": llamaindex}[kind]
    retrieve, ask = make(folder, vectors, int(k), url)
    took = []
    for question in given["questions"]:
        started = time.monotonic()
        found = retrieve(question)
        retrieved = time.monotonic()
        if len(found) != int(k):
            sys.exit(f"{len(found)} of {k} passages")
        took.append([1000 * (retrieved - started), 1000 * (ask(question, found) - started)])
    print(json.dumps(took))


if __name__ == "__main__":
    main()
