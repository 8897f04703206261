//! Published attacks on lists of origins, and on what trusts them.
