"""HTTP as every service speaks it: the application factory, problem documents, bearer tokens, the typed client."""

from libs.http.application import Check, application
from libs.http.auth import Role, Tokens, require
from libs.http.client import Client
from libs.http.pages import Page
from libs.http.problems import Problem

__all__ = ["Check", "Client", "Page", "Problem", "Role", "Tokens", "application", "require"]
