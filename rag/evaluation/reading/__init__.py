"""Files of labelled questions in the formats people have, and files other tools go on with."""
