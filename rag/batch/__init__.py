"""Files of questions, files of answers, and many asked at once."""
