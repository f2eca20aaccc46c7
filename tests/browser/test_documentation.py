"""The API's own documentation, in a browser that can reach nothing else."""

from playwright.sync_api import expect

from tests.browser.conftest import Stack, Visitor


def test_the_documentation_needs_no_other_machine_and_its_example_works(visitor: Visitor, stack: Stack) -> None:
    refused = visitor.cut_off_from_other_machines()
    page = visitor.new_page()

    page.goto(f"{stack.api.url}/docs")
    operation = page.locator(".opblock", has_text="/predict").filter(has_text="POST").first
    operation.locator(".opblock-summary-control").click()
    operation.get_by_role("button", name="Try it out").click()
    operation.get_by_role("button", name="Execute").click()

    answer = operation.locator(".live-responses-table .response")
    expect(answer.locator(".response-col_status")).to_have_text("200")
    expect(answer).to_contain_text("probabilities")
    assert refused == []
