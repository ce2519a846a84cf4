"""HTTP as every service speaks it: application factory, problem documents, bearer tokens, server, typed client."""

from libs.http.application import Check, application
from libs.http.auth import Role, Tokens, require
from libs.http.client import Client
from libs.http.pages import Page
from libs.http.problems import Problem
from libs.http.server import Server

__all__ = ["Check", "Client", "Page", "Problem", "Role", "Server", "Tokens", "application", "require"]
