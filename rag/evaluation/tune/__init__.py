"""Settings tried on labelled questions, the better ones kept where they really are."""
