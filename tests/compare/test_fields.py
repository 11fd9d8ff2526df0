"""The comparison itself: it sees what differs and nothing else. Run with `python3 -m unittest`."""

import unittest

from fields import differences


def answer(body, kind="application/json", status=200):
    return {"status": status, "headers": {"content-type": kind}, "body": body}


class Differences(unittest.TestCase):
    def test_an_answer_does_not_differ_from_itself(self):
        for each in (answer('{"a":[1,{"b":null}]}'), answer("<a><b c='d'/></a>", "application/xml"), answer("x\ny", "text/plain")):
            self.assertEqual(differences(each, each), [])

    def test_a_number_differs_from_a_string_that_reads_alike(self):
        fields = [field for field, _, _ in differences(answer('{"port":1}'), answer('{"port":"1"}'))]
        self.assertEqual(fields, ["body.port (type)"])

    def test_the_order_of_keys_and_of_instances_says_nothing(self):
        one = answer('{"instance":[{"instanceId":"a","x":1},{"instanceId":"b"}]}')
        other = answer('{"instance":[{"instanceId":"b"},{"x":1,"instanceId":"a"}]}')
        self.assertEqual(differences(one, other), [])

    def test_the_order_of_property_sources_matters(self):
        one, other = answer('{"propertySources":[{"name":"a"},{"name":"b"}]}'), answer('{"propertySources":[{"name":"b"},{"name":"a"}]}')
        self.assertEqual(len(differences(one, other)), 2)

    def test_an_instance_that_is_listed_twice_is_a_difference(self):
        one, other = answer('{"instance":[{"instanceId":"a"}]}'), answer('{"instance":[{"instanceId":"a"},{"instanceId":"a"}]}')
        self.assertEqual(len(differences(one, other)), 1)

    def test_status_header_and_missing_field_are_differences(self):
        fields = [field for field, _, _ in differences(answer('{"a":1}'), answer("{}", "text/json", 404))]
        self.assertEqual(fields, ["status", "headers.content-type", "body.a", "body.a (type)", "body"])

    def test_white_space_between_xml_elements_says_nothing_but_attributes_do(self):
        one = answer("<a>\n  <port enabled='true'>1</port>\n</a>", "application/xml")
        self.assertEqual(differences(one, answer("<a><port enabled='true'>1</port></a>", "application/xml")), [])
        self.assertEqual(len(differences(one, answer("<a><port enabled='false'>1</port></a>", "application/xml"))), 1)

    def test_text_is_compared_line_by_line(self):
        got = differences(answer("a: 1\nb: 2\n", "text/plain"), answer("a: 1\nb: 3\n", "text/plain"))
        self.assertEqual(got, [("body.line 2", "b: 2", "b: 3")])


if __name__ == "__main__":
    unittest.main()
