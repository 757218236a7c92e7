from xairank.attribution import AttributionMethod, GradCAM, IntegratedGradients, Saliency, describe_methods
from xairank.schema import MethodFacts, method_facts, to_record


def test_the_paper_s_three():
    facts = describe_methods({"gradcam": GradCAM(), "saliency": Saliency(), "ig": IntegratedGradients()})
    assert [some.label for some in facts.values()] == ["Grad-CAM", "Saliency", "Integrated gradients"]
    assert len({some.color for some in facts.values()}) == 3
    assert facts["ig"].diagnostics == {"completeness_error": "completeness error, in logits"}


def test_two_entries_of_one_class_are_told_apart():
    facts = describe_methods({"gradcam": GradCAM(), "fine": GradCAM(), "saliency": Saliency()})
    assert [some.label for some in facts.values()] == ["Grad-CAM (gradcam)", "Grad-CAM (fine)", "Saliency"]
    assert [bool(some.color) for some in facts.values()] == [True, False, True]


def test_what_says_nothing_is_called_by_its_entry():
    class Silent(AttributionMethod):
        def attribute(self, forward):
            return forward.images.mean(dim=1), {}

    def function(model, images, targets):
        return images.mean(dim=1)

    facts = describe_methods({"silent_map": Silent(), "brightness": function})
    assert facts == {"silent_map": MethodFacts("Silent map"), "brightness": MethodFacts("Brightness")}


def test_a_record_gives_them_back():
    facts = describe_methods({"gradcam": GradCAM(), "ig": IntegratedGradients()})
    record = {"methods": to_record(facts)}
    assert method_facts(record) == facts
    record["methods"]["ig"]["invented_later"] = 1
    assert method_facts(record) == facts
