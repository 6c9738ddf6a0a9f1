"""A recipe's data as batches."""

from lipcert.training.examples import examples
from lipcert.training.language import language
from lipcert.training.tasks import Batch, Task, Wanted

__all__ = ["Batch", "Task", "task"]


def task(recipe: Wanted) -> Task:
    """Text to be continued for a gpt, else labelled examples: text for an encoder, numbers for the others.

    Raises InputError where the data cannot be read, are too few for the context, or do not suit the model.
    """
    return language(recipe) if recipe.model == "gpt" else examples(recipe)
