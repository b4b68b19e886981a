import asyncio

from fastmcp import Context, FastMCP

mcp = FastMCP("Calculator")


@mcp.tool
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@mcp.tool
async def search(question: str, ctx: Context) -> str:
    """Think about a question for a while."""
    await ctx.report_progress(1, 2, "thinking")
    await asyncio.sleep(0.2)
    return f"The answer to {question!r} is 42"


@mcp.resource("config://version")
def version() -> str:
    return "1.0"


app = mcp.http_app()
