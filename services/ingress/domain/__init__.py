"""The rules of receiving mail: pure, without sockets and frameworks."""
