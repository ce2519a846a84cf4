"""HTTP as every service speaks it: application factory, problem documents, bearer tokens, server, typed client."""

from libs.http.application import Check, application
from libs.http.auth import ADMIN, APPLICATION, Tokens, require
from libs.http.client import Client
from libs.http.pages import Page
from libs.http.problems import Problem
from libs.http.server import Server

__all__ = ["ADMIN", "APPLICATION", "Check", "Client", "Page", "Problem", "Server", "Tokens", "application", "require"]
